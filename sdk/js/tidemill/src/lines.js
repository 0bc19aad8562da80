// Places in the author's sources. A plugin runs as one bundle of its sources, and the engine knows only the places in that.

/** Behind the bundle the build appends the lines that it comes from: see `linesOf` in build/lines.mjs. */
const LINES = Symbol.for('tidemill:lines');

/** The text of a stack with places in the author's files instead of those in the bundle. */
export function located(stack) {
  const stretches = globalThis[LINES] ?? [];
  return stack.replace(/plugin\.js:(\d+)(:\d+)?/g, (place, digits) => {
    const line = Number(digits);
    const stretch = stretches.find(([first, count]) => line >= first && line < first + count);
    if (!stretch) return place;
    const [first, , file, there] = stretch;
    return `${file}:${there + line - first}`;
  });
}
