import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Real suites start servers and processes; each test names its own bound where it needs more.
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // Two cores are the smallest machine that CI has.
    maxWorkers: 2,
  },
})
