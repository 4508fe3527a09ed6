"""smppy_smsc.py PORT PASSWORD: an SMSC on smppy. Says one line on stdout for whatever happens.

The library reads one PDU from whatever a read brings and loses those behind it, answers every submit
without a message_id, and sends receipts as plain messages, without the bit in esm_class.
"""
import asyncio
import logging
import sys

from smppy import Application


def say(line):
    print(line, flush=True)


class Smsc(Application):
    taken = 0

    async def handle_bound_client(self, client):
        is_right = client.password == sys.argv[2]
        say(f"bind {0 if is_right else 13}")
        return client if is_right else None

    async def handle_unbound_client(self, client):
        say("unbound")

    async def handle_sms_received(self, client, source_number, dest_number, text):
        self.taken += 1
        say(f"taken {dest_number} {len(text)}")
        receipt = f"id:P{self.taken} sub:001 dlvrd:001 done date:2611280901 stat:DELIVRD err:000"
        await client.send_sms(source=dest_number, dest=source_number, text=receipt)


class Ears(logging.Handler):
    """The library tells of a response in its log only."""

    def emit(self, record):
        text = record.getMessage()
        if text.startswith("Command received") and "deliver_sm_resp" in text:
            say("acknowledged 0")


logger = logging.getLogger("smpp-app")
logger.setLevel(logging.DEBUG)
logger.propagate = False
logger.addHandler(Ears())
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
server = Smsc(name="smppy").create_server(loop, host="127.0.0.1", port=int(sys.argv[1]))
say("listening")
loop.run_forever()
