"""How the documentation is built."""

from flask_errtrack import __version__

project = "Flask-ErrTrack"
copyright = "2026, the Flask-ErrTrack developers"
version = release = __version__

extensions = ["sphinx.ext.autodoc", "pallets_sphinx_themes"]
autodoc_typehints = "description"
exclude_patterns = ["_build"]
nitpicky = False
# Sphinx takes the builtin ``type`` for any of the fields of an event with that name.
suppress_warnings = ["ref.python"]

html_theme = "flask"
html_title = f"Flask-ErrTrack {version}"
html_show_sourcelink = False
html_static_path = ["static"]
html_css_files = ["narrow.css"]
