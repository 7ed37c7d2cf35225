"""From the settings of raven and sentry-sdk to the options of Flask-ErrTrack.

``reading`` finds settings, ``from_raven`` and ``from_sentry_sdk`` know what becomes of
each, ``converting`` makes new lines of them. Neither of the two is ever imported, and
no code of the app is run.
"""
