"""A table of buttons: rows by columns, shaded by how good each cell is; built once, its cells swapped."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import param
from panel.custom import JSComponent


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell.

    Attributes:
        text: What it says first.
        below: What it says below, smaller.
        hint: Everything else, shown while pointing at it.
        good: From 0 to 1: how strongly it is shaded; None for a cell without an answer.
    """

    text: str
    below: str = ""
    hint: str = ""
    good: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One row: a group that its first row names, its own name, its cells, and the address of the group's page."""

    group: str
    detail: str
    name: str
    cells: tuple[Cell, ...]
    address: str = ""


class Matrix(JSComponent):
    """The table in the browser. Keys: Tab reaches the cells, arrows move between them, Enter opens one."""

    content: Any = param.Dict(default={"columns": [], "rows": []}, doc="Columns, and rows of cells.")
    picked: Any = param.List(default=[], doc="Row and column last picked, and how many picks there were.")

    _esm: ClassVar[str] = """
    export function render({ model, el }) {
      const frame = document.createElement("div")
      frame.className = "cells"
      let picks = 0
      const text = (tag, value, name) => {
        const node = document.createElement(tag)
        if (name) node.className = name
        node.textContent = value
        return node
      }
      const link = (name, address) => {
        const node = text(address ? "a" : "b", name)
        if (address) node.href = address
        return node
      }
      const draw = () => {
        const { columns, rows, caption } = model.content
        const table = document.createElement("table")
        table.append(text("caption", caption ?? "", "hidden"))
        const head = table.createTHead().insertRow()
        head.append(text("th", "Weights", "first"))
        for (const column of columns) {
          const th = text("th", "")
          th.scope = "col"
          th.append(link(column.name, column.address), text("small", column.below))
          head.append(th)
        }
        const body = table.createTBody()
        let group = null
        rows.forEach((row, y) => {
          if (row.group !== group) {
            const th = text("th", row.group, "group")
            th.scope = "rowgroup"
            th.colSpan = columns.length + 1
            const inner = text("span", "", "stay")
            inner.append(link(row.group, row.address), text("small", row.detail))
            th.replaceChildren(inner)
            body.insertRow().append(th)
            group = row.group
          }
          const tr = body.insertRow()
          const th = text("th", row.name, "first")
          th.scope = "row"
          tr.append(th)
          row.cells.forEach((cell, x) => {
            const td = tr.insertCell()
            const button = text("button", cell.text, cell.good === null ? "none" : "")
            button.type = "button"
            button.title = cell.hint
            button.dataset.at = y + ":" + x
            button.tabIndex = x || y ? -1 : 0
            button.setAttribute("aria-label", [row.group, row.name, columns[x].name, cell.hint].join(", "))
            if (cell.good !== null) button.style.setProperty("--good", Math.round(6 + 40 * cell.good) + "%")
            button.append(text("small", cell.below))
            td.append(button)
          })
        })
        frame.replaceChildren(table)
      }
      frame.addEventListener("click", (event) => {
        const button = event.target.closest("button")
        if (button) model.picked = [...button.dataset.at.split(":").map(Number), ++picks]
      })
      frame.addEventListener("keydown", (event) => {
        const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key]
        const button = event.target.closest("button")
        if (!step || !button) return
        const [y, x] = button.dataset.at.split(":").map(Number)
        const next = frame.querySelector(`[data-at="${y + step[0]}:${x + step[1]}"]`)
        if (!next) return
        event.preventDefault()
        button.tabIndex = -1
        next.tabIndex = 0
        next.focus()
      })
      model.on("content", draw)
      draw()
      el.append(frame)
    }
    """
    _stylesheets: ClassVar[list[str]] = [
        """
    :host { min-width: 0; }
    .cells { overflow: auto; max-height: 78vh; border: 1px solid var(--line); border-radius: 8px; }
    .hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
    table { border-collapse: separate; border-spacing: 0; font-size: 13px; width: 100%; }
    th { font-weight: 550; text-align: center; padding: 7px 8px; background: var(--surface); color: var(--text); }
    thead th { position: sticky; top: 0; z-index: 2; border-bottom: 1px solid var(--axis); vertical-align: bottom; }
    th small { display: block; color: var(--muted); font-weight: 400; font-size: 11.5px; }
    th.first { position: sticky; left: 0; z-index: 1; text-align: left; min-width: 122px; color: var(--muted); }
    thead th.first { z-index: 3; }
    th.group { text-align: left; padding: 10px 8px 2px; border-top: 1px solid var(--line); }
    tbody tr:first-child th.group { border-top: none; }
    th.group .stay { position: sticky; left: 8px; display: inline-block; max-width: min(70vw, 900px); }
    th a { color: inherit; overflow-wrap: anywhere; }
    th.group :is(a, b) { font-weight: 640; overflow-wrap: anywhere; }
    th.group small { display: inline; margin-left: 8px; }
    td { padding: 2px; min-width: 92px; }
    button { width: 100%; min-height: 44px; padding: 4px 6px; border: 1px solid transparent; border-radius: 6px;
      font: inherit; font-weight: 620; font-variant-numeric: tabular-nums; color: var(--text); cursor: pointer;
      background: color-mix(in srgb, var(--accent) var(--good, 0%), var(--surface)); }
    button:hover { border-color: var(--accent); }
    button:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
    button small { display: block; font-weight: 400; font-size: 11.5px; white-space: nowrap; }
    button.none { color: var(--muted); font-weight: 400; background: var(--sunken); }
    @media (max-width: 699px) { th.first { min-width: 84px; max-width: 96px; padding: 6px; overflow-wrap: anywhere; } }
    """
    ]

    def fill(self, columns: Sequence[tuple[str, str, str]], rows: Sequence[Row], caption: str) -> None:
        """Swap the cells.

        Args:
            columns: Name of each, what stands below it, and the address of its page.
            rows: In order; rows of one group after each other.
            caption: What the table shows, for those who hear it.
        """
        self.content = {
            "columns": [{"name": name, "below": below, "address": address} for name, below, address in columns],
            "rows": [asdict(row) for row in rows],
            "caption": caption,
        }

    def on_pick(self, picked: Callable[[int, int], None]) -> None:
        """Call a function with row and column whenever a reader picks a cell."""

        def pick(event: Any) -> None:
            if len(event.new) == 3:
                picked(int(event.new[0]), int(event.new[1]))

        self.param.watch(pick, "picked")
