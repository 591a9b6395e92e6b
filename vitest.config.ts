import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/global-setup.ts'],
    // Real suites start servers and processes; each test names its own bound where it needs more.
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // Two cores are the smallest machine that the suites are meant for.
    maxWorkers: 2,
    // Suites with real processes share a machine with others there; a second failure is a failure.
    retry: process.env.CI ? 1 : 0,
    coverage: {
      provider: 'v8',
      include: ['src/release/**', 'src/lib/**', 'src/adapters/ledger/**'],
      thresholds: { branches: 90 },
      reporter: ['text-summary', 'json-summary'],
    },
  },
})
