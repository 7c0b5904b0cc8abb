// The spec reporter, which also appends what it counted to the file KEYWAY_COUNTS names, for the closing line of CI.
const { appendFileSync } = require('node:fs');
const Mocha = require('mocha');

const GRACE_MS = 20_000;

module.exports = class Reporter extends Mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    runner.once(Mocha.Runner.constants.EVENT_RUN_END, () => {
      const file = process.env.KEYWAY_COUNTS;
      const { passes, failures, pending } = this.stats;
      if (file) appendFileSync(file, `${JSON.stringify({ passes, failures, pending })}\n`);
      // A test that leaves something open would keep the run alive for ever: it fails instead, and says what is open.
      setTimeout(() => {
        console.error(`\nThe tests are over, but this is still open: ${process.getActiveResourcesInfo().join(', ')}.`);
        if (file) appendFileSync(file, `${JSON.stringify({ passes: 0, failures: 1, pending: 0 })}\n`);
        process.exit(1);
      }, GRACE_MS).unref();
    });
  }
};
