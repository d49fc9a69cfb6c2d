"""What each route does: the one list that guards pages, feeds and files.

A route that is not in it answers nobody. A test walks every route as every role.
"""

from service.network.people.role import Action

OPEN, READ, WRITE = Action.OPEN, Action.READ, Action.WRITE
RULES: dict[str, Action] = {
    # Guarded by the sender's signature, or by nothing since they tell nothing.
    **dict.fromkeys(("receive", "receive_bundle", "ask_enrolment"), OPEN),
    **dict.fromkeys(("health", "metadata", "public_keys", "show_ledger"), OPEN),
    **dict.fromkeys(("public_page",), OPEN),
    **dict.fromkeys(("sign_in_page", "sign_in", "sign_out", "oidc_start", "oidc_callback"), OPEN),
    # Numbers, as the reader may see them.
    **dict.fromkeys(("home", "measure_page", "site_page", "calendar_page", "compare_page"), READ),
    **dict.fromkeys(("measure_json", "measure_csv", "measure_chart"), READ),
    **dict.fromkeys(("series_csv", "arrivals_json", "arrivals_csv", "atom", "changes"), READ),
    **dict.fromkeys(("site_report", "network_report"), READ),
    **dict.fromkeys(("search", "read_report"), READ),
    # What people enter.
    **dict.fromkeys(("write_page", "write", "history_page"), WRITE),
    "share": Action.SHARE,
    # The network's own affairs.
    **dict.fromkeys(
        ("sites_page", "decide_enrolment", "change_site", "end_site_key"), Action.STAFF
    ),
    **dict.fromkeys(("chase_text", "visibility"), Action.STAFF),
    **dict.fromkeys(("accounts_page", "change_account", "change_token"), Action.ADMINISTER),
    **dict.fromkeys(("audit_page",), Action.ADMINISTER),
}
