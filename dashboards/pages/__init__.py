"""The pages: a new one is written as a module here and added to `PAGES`, from which navigation and addresses come."""

from dashboards.pages import arena, home, leaderboard, open_vs_proprietary, pareto, roofline, which_gpu
from dashboards.pages.page import Content, Page

PAGES: tuple[Page, ...] = (
    Page("home", "Home", "", home.build),
    Page("leaderboard", "Leaderboard", "leaderboard", leaderboard.build),
    Page("pareto", "Pareto", "pareto", pareto.build),
    Page("arena", "Arena ratings", "arena", arena.build),
    Page("open_vs_proprietary", "Open vs proprietary", "open-vs-proprietary", open_vs_proprietary.build),
    Page("roofline", "Roofline", "roofline", roofline.build),
    Page("which_gpu", "Which GPU?", "which-gpu", which_gpu.build),
)

__all__ = ["PAGES", "Content", "Page"]
