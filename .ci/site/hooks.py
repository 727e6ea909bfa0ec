"""What the site has beside the pages of docs/, and how those are made ready.

- README, CHANGELOG and CONTRIBUTING are pages too, and repository files that pages link to are part
  of the site, under `source/`, so that links lead somewhere in both places.
- The reference is generated from what runs: the command lines, the config's schema, the devices,
  the public names of the packages.
- Formulas become MathML, which browsers draw by themselves.
"""

import html
import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
FROM_ROOT = {
    "index.md": "README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
}
LINK = re.compile(r"(\]\()([^)\s:#]+)(#[^)\s]*)?(\))")
CHECK = re.compile(r"^<!-- check: .* -->\n", re.MULTILINE)
FORMULA = re.compile(
    r'<(span|div) class="arithmatex">(?:\\\(|\\\[)(.*?)(?:\\\)|\\\])</\1>', re.DOTALL
)
NAS_MODULES = {
    "Studies and configs": ("nas.config.loading", "nas.study", "nas.records"),
    "Searching": (
        *("nas.evolution.driver", "nas.evolution.guided", "nas.evolution.nsga2"),
        *("nas.evolution.random_search", "nas.evolution.archive", "nas.evolution.goals"),
        *("nas.evolution.gain", "nas.evolution.constraints", "nas.evolution.variation"),
    ),
    "Evaluating": (
        *("nas.execution.base", "nas.execution.in_process", "nas.execution.ray_executor"),
        *("nas.execution.simulated", "nas.evaluation.table", "nas.evaluation.subnets"),
    ),
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages from the root, the reference, and the files that pages link to."""
    pages = {name: (ROOT / source).read_text() for name, source in FROM_ROOT.items()}
    pages |= reference_pages()
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    linked = {
        target
        for page in files.documentation_pages()
        for _, target in targets(page.content_string, page.src_uri)
        if target.startswith("source/")
    }
    for target in sorted(linked):
        path = ROOT / target.removeprefix("source/")
        if path.is_file():
            files.append(File.generated(config, target, abs_src_path=str(path)))
        elif path.parent.is_dir():
            files.append(File.generated(config, target, content=listing(path.parent)))
    return files


def listing(folder: Path) -> str:
    """A page of a folder's files, each in full: a browser would download them."""
    parts = [
        f"<h2>{file.name}</h2><pre>{html.escape(file.read_text())}</pre>"
        for file in sorted(folder.iterdir())
        if file.is_file()
    ]
    return f"<!doctype html><title>{folder.name}</title>{''.join(parts)}"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrites links to what the site calls their targets, and drops the marks of the tests."""
    del config, files
    where = posixpath.dirname(page.file.src_uri)
    found = dict(targets(markdown, page.file.src_uri))

    def rewrite(match: re.Match[str]) -> str:
        target = found.get(match[2])
        if target is None:
            return match[0]
        return f"{match[1]}{posixpath.relpath(target, where or '.')}{match[3] or ''}{match[4]}"

    return LINK.sub(rewrite, CHECK.sub("", markdown))


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Formulas as MathML."""
    del page, config, files
    return FORMULA.sub(mathml, html)


def mathml(match: re.Match[str]) -> str:
    """One formula, in the line or in a block of its own."""
    display = "block" if match[1] == "div" else "inline"
    return convert(html.unescape(match[2]).strip(), display=display)


def targets(markdown: str, page: str) -> Iterator[tuple[str, str]]:
    """Relative links of a page, as written and as the site's paths."""
    origin = FROM_ROOT.get(page, f"docs/{page}")
    names = {source: name for name, source in FROM_ROOT.items()}
    for match in LINK.finditer(markdown):
        path = posixpath.normpath(posixpath.join(posixpath.dirname(origin), match[2]))
        if path in names:
            yield match[2], names[path]
        elif path.startswith("docs/"):
            yield match[2], path.removeprefix("docs/")
        else:
            folder = (ROOT / path).is_dir()
            yield match[2], f"source/{path}/index.html" if folder else f"source/{path}"


def reference_pages() -> dict[str, str]:
    """The generated pages by their names."""
    return {
        "reference/cli.md": command_line_page(),
        "reference/config.md": config_page(),
        "reference/devices.md": devices_page(),
        "reference/latency_models.md": package_page("latency_models"),
        "reference/search_spaces.md": package_page("search_spaces"),
        "reference/nas.md": nas_page(),
    }


def command_line_page() -> str:
    """Both command lines: the commands of `nas` as tables, the other's help as it prints it."""
    import argparse

    import typer

    from latency_models.__main__ import _parser
    from nas.cli import app

    group: Any = typer.main.get_command(app)
    lines = ["# Command line", "", "A mistake is one line on standard error and exit code 2.", ""]
    for name, command in group.commands.items():
        lines += [f"## nas {name}", "", command.help, ""]
        context = typer.Context(command, info_name=name)
        records = [parameter.get_help_record(context) for parameter in command.params]
        lines += ["| argument or option | |", "|---|---|"] if any(records) else []
        lines += [f"| {code(label)} | {cell(text)} |" for label, text in filter(None, records)]
        lines.append("")
    lines += ["## python -m latency_models", ""]
    (actions,) = (a for a in _parser()._actions if isinstance(a, argparse._SubParsersAction))
    for name, parser in actions.choices.items():
        lines += [f"### {name}", "", "```text", parser.format_help().rstrip(), "```", ""]
    return "\n".join(lines)


def config_page() -> str:
    """The schema's sections as tables."""
    from nas.config import config_schema

    schema = config_schema()
    definitions: dict[str, Any] = schema["$defs"]
    spaces = definitions["SpaceConfig"]["oneOf"]
    sections = {"The file": schema} | {name: definitions[name] for name in named_in(schema)}
    lines = [
        *("# Config", "", "Every key of a config file, from its schema (`nas schema`, or"),
        *("[experiments/schema.json](../../experiments/schema.json) for editors).", ""),
    ]
    for name, section in sections.items():
        if name != "SpaceConfig":
            lines += section_table(name, section)
            continue
        lines += [f"## {name}", "", section["description"], ""]
        for space in spaces:
            lines += section_table(space["properties"]["name"]["const"], space, level=3)
    return "\n".join(lines)


def named_in(schema: dict[str, Any]) -> list[str]:
    """The sections that a schema names, each before those that it names in turn."""
    found: list[str] = []

    def visit(node: Any) -> None:
        for name in re.findall(r'"#/\$defs/(\w+)"', json.dumps(node)):
            if name not in found:
                found.append(name)
                visit(schema["$defs"][name])

    visit(schema["properties"])
    return found


def section_table(name: str, section: dict[str, Any], *, level: int = 2) -> list[str]:
    """A heading and a table of a section's keys."""
    lines = [f"{'#' * level} {name}", "", section.get("description", ""), ""]
    lines += ["| key | type | default | |", "|---|---|---|---|"]
    for key, value in section.get("properties", {}).items():
        needed = key in section.get("required", ())
        default = value.get("default", "")
        shown = "" if default == "" or isinstance(default, dict) else code(json.dumps(default))
        parts = ("required" if needed else shown, cell(value.get("description", "")))
        lines.append(f"| {code(key)} | {cell(type_text(value))} | {' | '.join(parts)} |")
    return [*lines, ""]


def type_text(schema: dict[str, Any]) -> str:
    """A type in a few words, with links to the sections that it names."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema and len(schema["enum"]) <= 12:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(type_text(each) for each in schema[key]))
    if schema.get("type") == "array":
        inner = schema.get("items") or next(iter(schema.get("prefixItems", [])), {})
        return f"list of {type_text(inner)}" if inner else "list"
    limits = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {schema[key]}" for key, sign in limits.items() if key in schema]
    return " ".join([str(schema.get("type", "any")), ", ".join(bounds)]).strip()


def devices_page() -> str:
    """The catalogue; sources are a command away."""
    from latency_models import DEVICES

    lines = [
        *("# Devices", "", f"{len(DEVICES)} datasheets. `nas devices NAME` has every figure with"),
        *("its source; [a device of your own](../howto/device.md) is a file.", ""),
        *("| device | kind | float32 GFLOP/s | memory GB/s | cores |", "|---|---|---|---|---|"),
    ]
    for name, spec in sorted(DEVICES.items()):
        figures = (
            (spec.peak_flops_per_s.get("float32"), 1e9),
            (spec.memory_bandwidth_bytes_per_s, 1e9),
            (spec.cores, 1),
        )
        shown = ["" if value is None else f"{value / unit:,.4g}" for value, unit in figures]
        lines.append(f"| {' | '.join([name, spec.kind, *shown])} |")
    return "\n".join(lines)


def package_page(package: str) -> str:
    """Everything that a package exports, from its docstrings."""
    from importlib import import_module

    module = import_module(package)
    found = [getattr(module, name) for name in module.__all__]
    documented = [each for each in found if getattr(each, "__module__", "").startswith(package)]
    names = [f"{each.__module__}.{each.__qualname__}" for each in documented]
    summary = (module.__doc__ or "").split("\n", 1)[0]
    return "\n".join([f"# {package}", "", summary, "", *(f"::: {name}\n" for name in names)])


def nas_page() -> str:
    """The parts of `nas` that are used from Python."""
    full = "\n    options:\n      show_root_full_path: true"
    lines = ["# nas", "", "What is used from Python; a search as a whole is `nas run`.", ""]
    for title, modules in NAS_MODULES.items():
        lines += [f"## {title}", "", *(f"::: {module}{full}\n" for module in modules)]
    return "\n".join(lines)


def code(text: str) -> str:
    """As code in a table, where backticks would keep the backslash before a bar."""
    return f"<code>{html.escape(text, quote=False).replace('|', '&#124;')}</code>"


def cell(text: str) -> str:
    """On one line of a table."""
    return " ".join(str(text).split()).replace("|", "\\|")
