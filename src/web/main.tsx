import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { BrowserRouter } from 'react-router'
import { Console } from './app.tsx'
import { LanguageProvider } from './i18n/index.tsx'
import { shouldRetry } from './queries.ts'
import './style.css'
import { ThemeProvider } from './theme-provider.tsx'

const RELOADED = 'rollcall.reloaded'

const client = new QueryClient({
  defaultOptions: {
    // Events say what is new; asking again on every focus would only repeat it.
    queries: { retry: shouldRetry, staleTime: 10_000, refetchOnWindowFocus: false },
    mutations: { retry: false },
  },
})

// A page from before an upgrade asks for views that are gone: the new page has them. Once a minute at most, lest it go round.
window.addEventListener('vite:preloadError', (event) => {
  const last = Number(sessionStorage.getItem(RELOADED) ?? 0)
  if (Date.now() - last < 60_000) return
  sessionStorage.setItem(RELOADED, String(Date.now()))
  event.preventDefault()
  location.reload()
})

const root = document.getElementById('root')
if (root === null) throw new Error('index.html has no #root')
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <LanguageProvider>
        <ThemeProvider>
          <BrowserRouter>
            <Console />
          </BrowserRouter>
        </ThemeProvider>
      </LanguageProvider>
    </QueryClientProvider>
  </StrictMode>,
)
