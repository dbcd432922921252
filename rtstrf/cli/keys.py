"""`rtstrf keys`: who may read the stream and who may command it, from other machines too.

docs/rig.md goes through it with two machines.
"""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "Make keys for a server and its clients, and say who may read the stream and who may command it."
EXAMPLE = """\
  rtstrf keys server
  rtstrf keys client booth --server 'rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7'
  rtstrf keys allow booth 'Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID' --read-write
  rtstrf keys list
  rtstrf keys revoke booth"""

DEFAULT_FOLDER = "~/.rtstrf/keys"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    folder = argparse.ArgumentParser(add_help=False)
    folder.add_argument("--folder", default=DEFAULT_FOLDER, help=f"the server's keys ({DEFAULT_FOLDER})")

    server = actions.add_parser("server", parents=[folder], help="make a server's key")
    server.set_defaults(act=make_server)

    client = actions.add_parser("client", help="make a client's key, on the client's machine")
    client.add_argument("name", help="what the server's list shall call it")
    client.add_argument("--server", required=True, metavar="KEY", help="the server's public key, as its owner says")
    client.add_argument("--out", metavar="FILE", help="where to write it (NAME.key)")
    client.set_defaults(act=make_client)

    allow = actions.add_parser("allow", parents=[folder], help="let a client in")
    allow.add_argument("name", help="what the list shall call it")
    allow.add_argument("key", metavar="KEY", help="its public key, as rtstrf keys client has printed it")
    access = allow.add_mutually_exclusive_group(required=True)
    for choice, what in (("read-only", "it may read the data"), ("read-write", "it may command the server too")):
        access.add_argument(f"--{choice}", dest="access", action="store_const", const=choice, help=what)
    allow.set_defaults(act=allow_client)

    listing = actions.add_parser("list", parents=[folder], help="show the server's public key and who is let in")
    listing.set_defaults(act=list_clients)

    revoke = actions.add_parser("revoke", parents=[folder], help="let a client in no more")
    revoke.add_argument("name")
    revoke.set_defaults(act=revoke_client)


def run(args: argparse.Namespace) -> int:
    args.act(args)
    return 0


def make_server(args: argparse.Namespace) -> None:
    from rtstrf.wire.allow_list import ServerKeys

    keys = ServerKeys.make(args.folder)
    print(f"the server's key is in {keys.folder}; keep the folder to yourself. Its public key, for clients:")
    print(keys.pair.public)


def make_client(args: argparse.Namespace) -> None:
    from rtstrf.wire.keys import ClientKeys

    keys = ClientKeys.make(args.name, args.server)
    path = Path(args.out or f"{args.name}.key")
    keys.save(path)
    print(f"the client's key is in {path}; keep it to yourself. To be let in, have this said on the server:")
    print(f"rtstrf keys allow {keys.name} '{keys.pair.public}' --read-only")


def allow_client(args: argparse.Namespace) -> None:
    from rtstrf.wire.allow_list import ServerKeys

    ServerKeys(args.folder).allow(args.name, args.key, args.access)
    may = "read the data" if args.access == "read-only" else "read the data and command the server"
    print(f"{args.name} may {may}, from its next connection on")


def list_clients(args: argparse.Namespace) -> None:
    from rtstrf.wire.allow_list import ServerKeys

    keys = ServerKeys(args.folder)
    clients = keys.clients()
    print(f"server      {keys.pair.public}")
    for client in clients:
        print(f"{client.access:10s}  {client.public}  {client.name}")
    if not clients:
        print("nobody is let in yet: rtstrf keys allow NAME KEY --read-only")


def revoke_client(args: argparse.Namespace) -> None:
    from rtstrf.wire.allow_list import ServerKeys

    ServerKeys(args.folder).revoke(args.name)
    print(
        f"{args.name} is let in no more and can command nothing from now on; "
        "where it is connected, it reads on until the server is started again"
    )
