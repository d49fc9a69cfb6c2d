"""The administrator's pages: accounts, tokens for programs, and the audit."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from sqlmodel import Session, col, select

from service.errors import ConfigError, RequestError
from service.network.audit import Audit
from service.network.people import account, token
from service.network.people.role import Person, Role
from service.network.rendering import form_token, page, read_form
from service.network.roster import roster_of
from service.network.state import Network, NetworkDep, PersonDep, SessionDep

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

PAGE = 200


@router.get("/admin/accounts")
def accounts_page(request: Request, served: NetworkDep, db: SessionDep, who: PersonDep) -> str:
    """All accounts and tokens, and the forms to change them."""
    return _accounts(request, served, db, who)


@router.post("/admin/accounts")
async def change_account(
    request: Request, served: NetworkDep, db: SessionDep, who: PersonDep
) -> str:
    """Make, change or disable an account."""
    fields = await read_form(request)
    name = fields.get("name", [""])[0].strip().lower()
    if "@" not in name or len(name) > 200:
        raise RequestError(422, "invalid", "an account's name is an e-mail address", where="name")
    password = fields.get("password", [""])[0] or None
    try:
        if fields.get("disable") == ["yes"]:
            account.disable(db, who.name, name)
        else:
            account.put_account(db, who.name, _person(db, name, fields), password)
    except ConfigError as error:
        raise RequestError(422, "invalid", error.what) from error
    db.commit()
    return _accounts(request, served, db, who)


@router.post("/admin/tokens")
async def change_token(request: Request, served: NetworkDep, db: SessionDep, who: PersonDep) -> str:
    """Make a token, which is shown once, or revoke one."""
    fields = await read_form(request)
    made = ""
    try:
        if "revoke" in fields:
            token.revoke_token(db, who.name, fields["revoke"][0])
        else:
            reader = _person(db, fields.get("label", [""])[0][:100], fields)
            days = fields.get("days", ["365"])[0]
            made = token.make_token(db, who.name, reader, int(days) if days.isdecimal() else 0)
    except ConfigError as error:
        raise RequestError(422, "invalid", error.what) from error
    db.commit()
    return _accounts(request, served, db, who, made)


@router.get("/admin/audit")
def audit_page(
    served: NetworkDep,
    db: SessionDep,
    who: PersonDep,
    before: Annotated[int, Query(ge=1, le=2**53)] = 2**53,
) -> str:
    """Who changed what, the newest first."""
    query = select(Audit).where(col(Audit.id) < before).order_by(col(Audit.id).desc())
    rows = db.exec(query.limit(PAGE)).all()
    return page("admin-audit.html", served.config, who, rows=rows, more=len(rows) == PAGE)


def _person(db: Session, name: str, fields: dict[str, list[str]]) -> Person:
    role = fields.get("role", [""])[0]
    if role not in set(Role) - {Role.ANYONE}:
        raise RequestError(422, "invalid", "there is no such role", where="role")
    known = {site.id for site in roster_of(db).sites}
    return Person(name, Role(role), frozenset(fields.get("sites", [])) & known)


def _accounts(request: Request, served: Network, db: Session, who: Person, made: str = "") -> str:
    return page(
        "admin-accounts.html",
        served.config,
        who,
        form=form_token(request),
        accounts=db.exec(select(account.Account).order_by(account.Account.name)).all(),
        tokens=db.exec(select(token.ReaderToken).order_by(token.ReaderToken.expires)).all(),
        sites=roster_of(db).sites,
        roles=[role for role in Role if role is not Role.ANYONE],
        token_roles=token.READERS,
        made=made,
    )
