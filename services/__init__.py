"""The verbs: functions that change or compute things. No flask, no request."""
