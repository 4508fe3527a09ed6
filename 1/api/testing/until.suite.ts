/** Waits for something that happens in the background, at most thirty seconds. */
export async function until(happened: () => Promise<boolean> | boolean): Promise<void> {
  for (let look = 0; look < 600; look++) {
    if (await happened()) return
    await new Promise((resolve) => void setTimeout(resolve, 50))
  }
  throw new Error('it did not happen within thirty seconds')
}
