"""A panel or a reader of libosdp at the far end of a socket pair (descriptor 3).

Told what to do by JSON lines on standard input, tells what happens by JSON lines on standard output.
"""

import json
import os
import queue
import select
import socket
import sys
import threading
import time

import osdp_sys
from osdp import (
    Capability,
    Channel,
    Command,
    Event,
    LibFlag,
    LogLevel,
    PDCapabilities,
    PdId,
    PDInfo,
)

wire = socket.socket(fileno=3)
wire.setblocking(False)


class Wire(Channel):
    def read(self, max_bytes):
        try:
            data = wire.recv(max_bytes)
        except BlockingIOError:
            return b""
        if data == b"":
            os._exit(0)
        return data

    def write(self, buf):
        try:
            return wire.send(bytes(buf))
        except (BlockingIOError, BrokenPipeError):
            return len(buf)

    def flush(self):
        pass


def tell(**what):
    sys.stdout.write(json.dumps(what, default=lambda value: bytes(value).hex()) + "\n")
    sys.stdout.flush()


def main():
    config = json.loads(sys.argv[1])
    osdp_sys.set_loglevel(LogLevel.Emergency)
    scbk = bytes.fromhex(config["scbk"]) if config.get("scbk") else None
    flags = [getattr(LibFlag, name) for name in config.get("flags", [])]
    channel = Wire()
    addresses = config.get("addresses", [config.get("address")])
    identity = PdId(1, 7, 0x00BEEF, 0x01020304, 0x0A0B0C0D)
    info, *others = [PDInfo(address, channel, scbk=scbk, flags=flags, id=identity) for address in addresses]
    orders = queue.Queue()

    def listen():
        for line in sys.stdin:
            orders.put(json.loads(line))
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    if config["role"] == "panel":
        context = osdp_sys.ControlPanel([info.get(), *(other.get() for other in others)])
        context.set_event_callback(lambda pd, event: tell(event=event) or 0)
        state = lambda: {"online": bool(context.status()), "secure": bool(context.sc_status())}
        act = lambda order: context.submit_command(0, order)
    else:
        capabilities = PDCapabilities(
            [
                (Capability.OutputControl, 1, 1),
                (Capability.LEDControl, 1, 1),
                (Capability.AudibleControl, 1, 1),
                (Capability.TextOutput, 1, 1),
                (Capability.CheckCharacter, 1, 0),
                (Capability.CommunicationSecurity, 1, 1),
            ]
        )
        context = osdp_sys.PeripheralDevice(info.get(), capabilities=capabilities.get())
        context.set_command_callback(lambda command: tell(command=command) or (0, None))
        state = lambda: {"online": bool(context.is_online()), "secure": bool(context.is_sc_active())}
        act = context.submit_event
    names = {"Command": Command, "Event": Event}
    tell(ready=True)
    before = None
    while True:
        context.refresh()
        now = state()
        if now != before:
            tell(state=now)
            before = now
        while not orders.empty():
            order = orders.get()
            kind, name = order.pop("kind").split(".")
            order["command" if kind == "Command" else "event"] = getattr(names[kind], name)
            for field in ("data", "key"):
                if field in order and isinstance(order[field], str):
                    order[field] = bytes.fromhex(order[field])
            tell(done=act(order))
        select.select([wire], [], [], 0.002)


main()
