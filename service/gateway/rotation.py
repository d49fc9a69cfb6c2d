"""A new key for the ledger, with the former key's word for it."""

from service.fhir import signature
from service.gateway.gateway import Gateway
from service.gateway.keys import adopt, new_ledger_key, public_x
from service.gateway.row import NewKey


def rotate(gateway: Gateway) -> str:
    """Write the change into the ledger, and sign with the new key from then on; its key id.

    A crash between the two is mended when the ledger is opened next (`gateway.open_gateway`).
    """
    former, data_dir = gateway.ledger.key, gateway.config.data_dir
    key = new_ledger_key(data_dir)
    x = public_x(key)
    handover = signature.sign(x.encode(), former, former.thumbprint())
    gateway.ledger.append(NewKey(x=x, handover=handover), key_after=key)
    adopt(data_dir)
    return key.thumbprint()
