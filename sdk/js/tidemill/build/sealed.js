// Runs before the plugin's module: what would give other results on another run is an error with a name instead.
// (The engine has no clock and no randomness to offer; without this, Date.now() is the time of the build and Math.random() traps.)

function refuse(what, instead) {
  return () => {
    throw new Error(`${what} is not available in a plugin: ${instead}`);
  };
}

const NativeDate = Date;
const noClock = refuse('the clock', 'time comes with rows and watermarks');

globalThis.Date = new Proxy(NativeDate, {
  apply: noClock,
  construct: (target, args, newTarget) => (args.length === 0 ? noClock() : Reflect.construct(target, args, newTarget)),
});
NativeDate.now = noClock;
NativeDate.prototype.constructor = globalThis.Date;
Math.random = refuse('Math.random', 'derive what you need from the rows');
for (const name of ['crypto', 'performance', 'fetch', 'setTimeout', 'setInterval']) {
  Object.defineProperty(globalThis, name, { get: refuse(name, 'results must depend on parameters and rows alone') });
}
