"""Roles, and the one function that says who may do what.

Every route of the program names an Action in `service/network/people/rules.py`; `may` decides.
"""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a person is to the network, from least to most."""

    ANYONE = "anyone"  # not signed in
    READER = "reader"
    SITE_LEAD = "site lead"
    STAFF = "network staff"
    ADMINISTRATOR = "administrator"


class Action(StrEnum):
    """What a route does."""

    OPEN = "open"  # no person needed: sign-in, health, reports and enrolments by signature
    READ = "read"  # numbers, as far as visibility goes
    WRITE = "write"  # aims, notes and cycles, of a site of one's own or of the network
    SHARE = "share"  # whether a site's numbers may be shown to others
    STAFF = "staff"  # exact bytes of reports, enrolment, visibility, the chase list
    ADMINISTER = "administer"  # accounts, tokens, the audit


ALLOWED: dict[Role, frozenset[Action]] = {
    Role.ANYONE: frozenset({Action.OPEN}),
    Role.READER: frozenset({Action.OPEN, Action.READ}),
    Role.SITE_LEAD: frozenset({Action.OPEN, Action.READ, Action.WRITE, Action.SHARE}),
    Role.STAFF: frozenset({Action.OPEN, Action.READ, Action.WRITE, Action.SHARE, Action.STAFF}),
    Role.ADMINISTRATOR: frozenset(Action),
}


@dataclass(frozen=True)
class Person:
    """Who asks: a name for the audit, a role, and the sites that they belong to."""

    name: str
    role: Role
    sites: frozenset[str] = frozenset()

    @property
    def sees_all(self) -> bool:
        """Whether every site is shown to them by its name."""
        return self.role in (Role.STAFF, Role.ADMINISTRATOR)


ANYONE = Person("anyone", Role.ANYONE)


def may(person: Person, action: Action, site: str | None = None) -> bool:
    """Whether a person may do something; with ``site``, at that site."""
    if action not in ALLOWED[person.role]:
        return False
    own = action in (Action.WRITE, Action.SHARE)
    return person.sees_all or not own or site is None or site in person.sites
