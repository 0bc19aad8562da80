// Which line of the author's sources each line of a bundle comes from.

import { SourceMap } from 'node:module';
import { dirname, relative, resolve } from 'node:path';

/**
 * Stretches of lines of the bundle that follow each other as in a source: [first line, number of lines, file, line there], lines
 * counted from 1. Of sources for which `isOwn` is false there are none.
 */
export function linesOf(map, bundleFile, isOwn) {
  const bundle = new SourceMap(map);
  const last = map.mappings.split(';').length;
  const stretches = [];
  for (let line = 1; line <= last; line++) {
    const { generatedLine, originalSource, originalLine } = bundle.findEntry(line - 1, Number.MAX_SAFE_INTEGER);
    if (generatedLine !== line - 1 || originalSource === undefined) continue;
    const file = resolve(dirname(bundleFile), originalSource);
    if (!isOwn(file)) continue;
    const [name, there] = [relative(process.cwd(), file), originalLine + 1];
    const before = stretches.at(-1);
    const follows = before && before[2] === name && line === before[0] + before[1] && there === before[3] + before[1];
    if (follows) before[1]++;
    else stretches.push([line, 1, name, there]);
  }
  return stretches;
}
