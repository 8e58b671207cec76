"""The pages: a new one is written as a module here and added to `PAGES`, from which navigation and addresses come."""

from dashboards.pages import home, leaderboard, pareto, roofline
from dashboards.pages.page import Content, Page

PAGES: tuple[Page, ...] = (
    Page("home", "Home", "", home.build),
    Page("leaderboard", "Leaderboard", "leaderboard", leaderboard.build),
    Page("pareto", "Pareto", "pareto", pareto.build),
    Page("roofline", "Roofline", "roofline", roofline.build),
)

__all__ = ["PAGES", "Content", "Page"]
