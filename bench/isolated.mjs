// What the isolated plugins of the measurement do.

const kept = [];

export default {
  start: () => "ready",
  echo: (params) => params,
  spin() {
    for (;;);
  },
  exit: () => process.exit(1),
  hog() {
    for (;;) kept.push(Buffer.alloc(4 * 1024 * 1024, 1));
  },
  flood() {
    for (;;) console.log("x".repeat(1000));
  },
};
