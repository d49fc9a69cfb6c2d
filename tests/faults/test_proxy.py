"""The proxy of these tests: a fault meets what is asked while it lasts, and nothing else."""

import socket

import httpx

from tests.ehr import SmallEhr
from tests.faults.proxy import answer


def test_what_a_dead_client_left_on_its_way_uses_no_fault_up(ehr: SmallEhr) -> None:
    for _ in range(8):
        with socket.create_connection(("127.0.0.1", ehr.proxy.port)) as dying:
            dying.sendall(b"GET /fhir/metadata?dying HTTP/1.1\r\nHost: ehr.example\r\n\r\n")
    with ehr.proxy.fault(answer(404, "/metadata", times=1)):
        assert httpx.get(f"{ehr.base_url}/metadata", timeout=60).status_code == 404
        assert ehr.proxy.seen == [("GET", "/fhir/metadata")]
