"""A new key for the site's reports, without a time in which reports are refused.

The former key signs until the network has accepted the next one. From then on the network takes
both for a while (`service.network.enrolment`), and so does a gateway that was given both.
"""

import os

from joserfc.jwk import OKPKey

from service.errors import ConfigError, StoreError
from service.gateway.secret import own_secret
from service.gateway.spool import Spool
from service.site.alone import alone
from service.site.config import SiteConfig
from service.site.database import open_database
from service.site.keys import FOLLOWING, SIGNING, site_keys
from service.site.outbox import Outbox
from service.site.push import hand_over, spool_of


def begin(config: SiteConfig) -> OKPKey:
    """Make the next key, unless one waits already; nothing signs reports with it yet."""
    with alone(config.data_dir):
        site_keys(config.data_dir)  # there is one to follow
        own_secret(config.data_dir, FOLLOWING)
        following = site_keys(config.data_dir).following
    assert following is not None  # it was made
    return following


def finish(config: SiteConfig, *, by_hand: bool = False) -> str:
    """Sign with the next key from now on, also what waits in the outbox; its key id.

    ``by_hand``: a person says that the network has it, in place of the network itself.
    Raises ConfigError when no next key waits, or the network is not known to have accepted it.
    """
    with alone(config.data_dir):
        following = site_keys(config.data_dir).following
        if following is None:
            todo = "`weir site rotate` makes one"
            raise ConfigError("no next key waits", where=FOLLOWING, todo=todo)
        kid = following.thumbprint()
        if not by_hand and Spool(spool_of(config)).accepted() != kid:
            raise _not_accepted(kid)
        folder = config.data_dir / "keys"
        try:
            os.replace(folder / FOLLOWING, folder / SIGNING)
        except OSError as error:
            todo = "Check the folder's owner"
            raise StoreError("the key cannot be kept", where=str(folder), todo=todo) from error
        hand_over(config, Outbox(open_database(config.data_dir)), site_keys(config.data_dir))
    return kid


def _not_accepted(kid: str) -> ConfigError:
    return ConfigError(
        "the network has not accepted the next key",
        where=kid,
        todo="Ask it with `weir site enrol` and `weir gateway enrol`. Where its staff took the key "
        "by hand: --by-hand",
    )
