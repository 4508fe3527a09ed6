"""smpp34_smsc.py PORT PASSWORD: an SMSC on smpp34. Says one line on stdout for whatever happens.

The library takes every bind, so the password is not looked at. Message n is refused with 0x58 when
n is divisible by four, and its receipt is on the line before the response when n is divisible by three.
Receipts have TLVs and no text when n is odd, and text and no TLVs when it is even.
"""
import asyncio
import sys

import smpp34


def say(line):
    print(line, flush=True)


def receipt_of(event, message_id, number):
    fields = {
        "source_addr": event.destination_addr,
        "destination_addr": event.source_addr,
        "esm_class": 4,
    }
    if number % 2 == 0:
        text = f"id:{message_id} sub:001 dlvrd:001 submit date:2611280900 done date:2611280901 stat:DELIVRD err:000 text:"
        return {**fields, "short_message": text.encode()}
    tlvs = [
        smpp34.Tlv(smpp34.TLV_RECEIPTED_MESSAGE_ID, message_id.encode() + b"\0"),
        smpp34.Tlv(smpp34.TLV_MESSAGE_STATE, b"\2"),
    ]
    return {**fields, "tlvs": tlvs}


async def deliver(esme, fields):
    answer = await esme.deliver_sm(**fields)
    say(f"acknowledged {answer.command_status}")


async def main():
    port = int(sys.argv[1])
    server = smpp34.Server(host="127.0.0.1", port=port, system_id="smpp34")
    await server.start()
    say("listening")
    sessions, tasks, number = {}, set(), 0

    def start(work):
        task = asyncio.ensure_future(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    while True:
        event = await server.next()
        if isinstance(event, smpp34.Esme):
            sessions[event.session_id] = event
            say("bind 0")
        elif isinstance(event, smpp34.Unbound):
            sessions.pop(event.session_id, None)
            say("unbound")
        elif isinstance(event, smpp34.SubmitSmEvent):
            number += 1
            if number % 4 == 0:
                event.reject(smpp34.ESME_RTHROTTLED)
                say("throttled")
                continue
            message_id = f"R-{number:04d}"
            say(f"taken {event.destination_addr} {event.data_coding} {event.esm_class} {event.short_message.hex()}")
            receipt = receipt_of(event, message_id, number)
            if number % 3 == 0:
                await deliver(sessions[event.session_id], receipt)
                event.accept(message_id)
            else:
                event.accept(message_id)
                start(deliver(sessions[event.session_id], receipt))


asyncio.run(main())
