/**
 * Commands, fields and optional parameters of SMPP 3.4 as far as an ESME meets them (sections 4 and
 * 5). A command that is not here is answered as unknown.
 */

/** One octet, a text up to its NUL, or octets after an octet that counts them. */
export type FieldKind = 'octet' | 'text' | 'octets'
export interface Field {
  readonly name: string
  readonly kind: FieldKind
}
export interface Command {
  readonly name: string
  readonly id: number
  readonly fields: readonly Field[]
}

const octet = (name: string): Field => ({ name, kind: 'octet' })
const text = (name: string): Field => ({ name, kind: 'text' })
const octets = (name: string): Field => ({ name, kind: 'octets' })

const address = (prefix: string, name = prefix): readonly Field[] => [
  octet(`${prefix}_ton`),
  octet(`${prefix}_npi`),
  text(name),
]

const BIND = [
  text('system_id'),
  text('password'),
  text('system_type'),
  octet('interface_version'),
  octet('addr_ton'),
  octet('addr_npi'),
  text('address_range'),
]

const ROUTE = [
  text('service_type'),
  ...address('source_addr'),
  ...address('dest_addr', 'destination_addr'),
  octet('esm_class'),
]

const SHORT_MESSAGE = [
  ...ROUTE,
  octet('protocol_id'),
  octet('priority_flag'),
  text('schedule_delivery_time'),
  text('validity_period'),
  octet('registered_delivery'),
  octet('replace_if_present_flag'),
  octet('data_coding'),
  octet('sm_default_msg_id'),
  octets('short_message'),
]

export const RESPONSE_BIT = 0x80000000

/** A request and its response, whose id has the top bit set. */
const pair = (name: string, id: number, asked: readonly Field[], answered: readonly Field[]): Command[] => [
  { name, id, fields: asked },
  { name: `${name}_resp`, id: id + RESPONSE_BIT, fields: answered },
]

const COMMANDS: readonly Command[] = [
  ...pair('bind_receiver', 0x01, BIND, [text('system_id')]),
  ...pair('bind_transmitter', 0x02, BIND, [text('system_id')]),
  ...pair('bind_transceiver', 0x09, BIND, [text('system_id')]),
  ...pair('submit_sm', 0x04, SHORT_MESSAGE, [text('message_id')]),
  ...pair('deliver_sm', 0x05, SHORT_MESSAGE, [text('message_id')]),
  ...pair(
    'data_sm',
    0x103,
    [...ROUTE, octet('registered_delivery'), octet('data_coding')],
    [text('message_id')],
  ),
  ...pair('unbind', 0x06, [], []),
  ...pair('enquire_link', 0x15, [], []),
  { name: 'outbind', id: 0x0b, fields: [text('system_id'), text('password')] },
  { name: 'alert_notification', id: 0x102, fields: [...address('source_addr'), ...address('esme_addr')] },
  { name: 'generic_nack', id: RESPONSE_BIT, fields: [] },
]

export const COMMAND_BY_ID: ReadonlyMap<number, Command> = new Map(COMMANDS.map((each) => [each.id, each]))
export const COMMAND_BY_NAME: ReadonlyMap<string, Command> = new Map(
  COMMANDS.map((each) => [each.name, each]),
)

export interface Tlv extends Field {
  readonly tag: number
}

/** Those that are written; on reading every tag is kept as it comes. */
export const TLVS: readonly Tlv[] = [
  { tag: 0x001e, ...text('receipted_message_id') },
  { tag: 0x0423, ...octets('network_error_code') },
  { tag: 0x0424, ...octets('message_payload') },
  { tag: 0x0427, ...octet('message_state') },
]
