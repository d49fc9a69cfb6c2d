"""People who sign in to a network under test, each in a browser of their own."""

import re
from typing import Any

import httpx
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlmodel import Session

from service.network.people.account import put_account
from service.network.people.role import Person, Role
from service.network.people.token import make_token
from tests.spec.network.reports import LOCAL

PASSWORD = "correct horse battery staple"
PEOPLE = {
    Role.READER: Person("reader@example.org", Role.READER, frozenset({"north"})),
    Role.SITE_LEAD: Person("lead@example.org", Role.SITE_LEAD, frozenset({"north"})),
    Role.STAFF: Person("staff@example.org", Role.STAFF),
    Role.ADMINISTRATOR: Person("admin@example.org", Role.ADMINISTRATOR),
}


class Browser:
    """A person's browser: it remembers who signed in, and fills in the forms that it is shown."""

    def __init__(self, app: FastAPI) -> None:
        self.client = TestClient(app, base_url=LOCAL, follow_redirects=False)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.client.get(path, headers=headers)

    def fill(self, path: str, page: str, **fields: Any) -> httpx.Response:
        """Fill in the form for ``path`` that ``page`` shows."""
        token = re.search(r'name="form" value="([^"]+)"', self.get(page).text)
        form = {"form": token.group(1) if token else ""}
        return self.client.post(path, data={**form, **fields})

    def sign_in(self, name: str, password: str = PASSWORD) -> httpx.Response:
        return self.fill("/sign-in", "/sign-in", name=name, password=password)


def admit(app: FastAPI, *people: Person) -> None:
    """Give people an account with the password that they all share."""
    with Session(app.state.network.engine) as session:
        for person in people:
            put_account(session, "a test", person, PASSWORD)
        session.commit()


def browser_of(app: FastAPI, person: Person) -> Browser:
    """The browser of somebody who has just signed in."""
    admit(app, person)
    browser = Browser(app)
    assert browser.sign_in(person.name).status_code == 303
    return browser


def token_of(app: FastAPI, reader: Person) -> str:
    """The text of a token for a reader."""
    with Session(app.state.network.engine) as session:
        text = make_token(session, "a test", reader, 30)
        session.commit()
    return text
