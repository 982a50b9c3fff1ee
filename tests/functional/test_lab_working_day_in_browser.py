"""A working day in JupyterLab under the policy, in a real session and a real browser. Pictures go to build/screenshots/day.

What does not work, and why, stands in docs/lab-in-the-browser.md.
"""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser import in_a_browser
from tests.builders_lab import PATIENCE, at, kari

__all__ = ["at", "kari"]
pytestmark = [
    *in_a_browser,
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.timeout(900),
]
PICTURES = Path("build/screenshots/day")
AUTOSAVED = 180_000  # milliseconds: JupyterLab saves every two minutes
PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 3, 2])\nplt.title('Kurve')\nplt.show()"
CHART = """import altair as alt, pandas as pd
frame = pd.DataFrame({"gruppe": ["a", "b"], "antall": [3, 4]})
alt.Chart(frame).mark_bar().encode(x="gruppe:O", y="antall:Q")"""
SLIDER = """import ipywidgets as widgets
slider, said = widgets.IntSlider(value=3, description="Alder"), widgets.Output()
def tell(change):
    with said:
        print("ny", change["new"])
slider.observe(tell, "value")
display(slider, said)"""
PROGRESS = "from tqdm.auto import tqdm\nfor _ in tqdm(range(20)):\n    pass"
FORMULA = r"from IPython.display import Latex" + "\n" + r"Latex(r'$\frac{a}{b}$')"
FUNCTION = "def doubled(n):\n    twice = 2 * n\n    return twice\n\ndoubled(21)"


def look(kari, name):
    kari.picture(PICTURES, name)


def test_notebooks_plots_widgets_search_autosave_and_the_debugger_work(kari):
    kari.new_notebook()
    plot = kari.run(PLOT).locator("img")
    expect(plot).to_be_visible()
    assert plot.evaluate("image => image.naturalWidth") > 100

    chart = kari.run(CHART)
    expect(chart.locator("svg, canvas").first).to_be_visible()
    expect(chart.locator("summary")).to_have_count(0)  # no menu that offers to save, or an editor elsewhere
    look(kari, "1-plots")

    slider = kari.run(SLIDER)
    handle = slider.locator(".noUi-handle, [role=slider]").first
    handle.focus()
    kari.page.keyboard.press("ArrowRight")
    expect(slider).to_contain_text("ny 4")
    expect(kari.run(PROGRESS)).to_contain_text("20/20")
    expect(kari.run(FORMULA).locator("mjx-container, .katex, .MathJax").first).to_be_visible()
    expect(kari.run("frame").locator("table")).to_be_visible()
    look(kari, "2-widgets")

    kari.cells.first.locator(".cm-content").click()
    kari.page.keyboard.press("Control+f")
    kari.lab.locator(".jp-DocumentSearch-input").first.fill("Kurve")
    expect(kari.lab.locator(".jp-DocumentSearch-index-counter")).to_contain_text("1/")
    look(kari, "3-search")
    kari.page.keyboard.press("Escape")

    kari.page.keyboard.press("Control+s")
    kari.lab.locator(".jp-Dialog .jp-mod-accept").click()  # its name may stay
    current = kari.lab.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
    tab = kari.lab.locator("#jp-main-dock-panel .lm-TabBar-tab.lm-mod-current")
    expect(tab).not_to_have_class(re.compile("jp-mod-dirty"))
    expect(kari.run("!grep -l Kurve *.ipynb")).to_contain_text("Untitled.ipynb")
    expect(tab).to_have_class(re.compile("jp-mod-dirty"))

    current.locator(".jp-DebuggerBugButton").first.click()
    expect(kari.lab.locator(".jp-DebuggerVariables").first).to_contain_text("frame", timeout=PATIENCE)
    cell = kari.cells.nth(kari.cells.count() - 1)
    cell.locator(".cm-content").click()
    kari.page.keyboard.insert_text(FUNCTION)
    cell.locator(".cm-breakpoint-gutter .cm-gutterElement").nth(2).click()
    cell.locator(".cm-content").click()
    kari.page.keyboard.press("Shift+Enter")
    expect(kari.lab.get_by_role("treeitem", name="n: 21")).to_be_visible(
        timeout=PATIENCE
    )  # it stands within the function
    look(kari, "4-debugger")
    kari.page.keyboard.press("F9")
    expect(cell.locator(".jp-OutputArea-output")).to_contain_text("42", timeout=PATIENCE)
    current.locator(".jp-DebuggerBugButton").first.click()

    expect(tab).not_to_have_class(re.compile("jp-mod-dirty"), timeout=AUTOSAVED)
    refused = [line for line in kari.said if "Content Security Policy" in line]
    assert refused == []


def test_versions_are_kept_by_the_side_bar_for_git(kari):
    kari.new_notebook()
    kari.lab.locator('li.lm-TabBar-tab[data-id="jp-git-sessions"]').click()
    kari.lab.get_by_role("button", name="Initialize a Repository").click()
    kari.lab.locator(".jp-Dialog .jp-mod-accept").click()

    panel = kari.lab.locator("#jp-git-sessions")
    expect(panel).to_contain_text("First Commit", timeout=PATIENCE)
    expect(panel).to_contain_text(re.compile("untracked", re.IGNORECASE))
    look(kari, "5-git")
