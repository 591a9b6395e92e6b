import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

export default defineConfig({
  root: new URL('.', import.meta.url).pathname,
  base: '/',
  plugins: [react()],
  build: {
    outDir: '../../dist/web',
    emptyOutDir: true,
    // The list of what each entry loads: the bench command reads the size of the first load from it.
    manifest: true,
    // Inlined files would be data: URLs, which the content security policy does not allow.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1500,
  },
  server: {
    host: '127.0.0.1',
    proxy: { '/api/': { target: process.env.ROLLCALL_SERVER ?? 'http://127.0.0.1:8888' } },
  },
})
