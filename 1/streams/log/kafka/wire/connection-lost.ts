/**
 * A request has no answer and will get none: its connection could not be opened, was cut, closed or
 * given up. It does not say whether the request arrived.
 */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost'
}
