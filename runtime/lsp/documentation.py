"""The vocabulary's documentation as Markdown: short for completion, the pages of `ftr explain` for hovers."""

from __future__ import annotations

from recipe_lang.check import vocabulary as v
from recipe_lang.check.describe import describe
from runtime.help.explain import default_phrase, default_text, pages, stands
from runtime.help.text_page import Code, Page, Prose, Terms
from runtime.vocabulary import VOCABULARY


def page_on(word: str, meaning: str) -> str:
    """Return the page of `ftr explain` on one meaning of a word, such as `a unit`; empty where there is none."""
    title = f"{word}: {meaning}"
    return next((_markdown(page) for page in pages(word) if page.title == title), "")


def pages_on(word: str) -> str:
    """Return all pages of `ftr explain` on a word; empty where there is none."""
    return "\n\n---\n\n".join(_markdown(page) for page in pages(word))


def _markdown(page: Page) -> str:
    word, _, meaning = page.title.partition(": ")
    blocks = [f"**{word}**: {meaning}"]
    for part in page.parts:
        if part.heading:
            blocks.append(f"*{part.heading}*")
        match part:
            case Prose(text):
                blocks.append(text)
            case Code(text):
                blocks.append(f"```ftr\n{text}\n```")
            case Terms(rows):
                blocks.append(
                    "\n".join(f"- `{name}`: {'; '.join(line.rstrip('.') for line in rest)}" for name, rest in rows)
                )
    return "\n\n".join(blocks)


def argument_doc(arg: v.Arg) -> str:
    """Return what a field or an argument is, takes, and is by default."""
    default = "It must be written." if arg.must_be_written else f"Default: {default_phrase(arg)}."
    return f"{arg.doc}\n\nTakes {describe(arg.type, VOCABULARY)}. {default}"


def entry_doc(entry: v.Entry) -> str:
    """Return what a call does, and its arguments."""
    lines = []
    for arg in entry.args:
        default = "" if arg.default is v.REQUIRED else f" = {default_text(arg)}"
        lines.append(f"- `{arg.name}{default}`: {arg.doc}")
    return "\n\n".join(filter(None, (entry.doc, stands(entry.only), "\n".join(lines))))


def part_doc(part: str, parts: tuple[str, ...], base: str) -> str:
    """Return what a word of a selector means for a base of these parts and this name; empty for no part of it."""
    name = part.removeprefix("base.")
    if name in parts:
        return f"Part {parts.index(name) + 1} of the {len(parts)} of {base}, counted from the image."
    if part == "head":
        return "The new layers on top of the base."
    if part in ("base", "all") and parts:
        also = " and the head" if part == "all" else ""
        return f"The {len(parts)} parts of {base} ({parts[0]}, {parts[1]} .. {parts[-1]}){also}."
    return ""
