/** Holds back whoever waits for `opened`, until somebody calls `open`. */
export class Gate {
  open: () => void = () => undefined
  readonly opened = new Promise<void>((resolve) => {
    this.open = resolve
  })
}
