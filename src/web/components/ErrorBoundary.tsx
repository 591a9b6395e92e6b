import { Component, type ReactNode } from 'react'
import { ErrorState } from './Feedback.tsx'

interface Props {
  children: ReactNode
}

/** A view that breaks says so and can be tried again; the rest of the console goes on. */
export class ErrorBoundary extends Component<Props, { error: unknown }> {
  override state: { error: unknown } = { error: undefined }

  static getDerivedStateFromError(error: unknown): { error: unknown } {
    return { error }
  }

  override render(): ReactNode {
    if (this.state.error === undefined) return this.props.children
    return <ErrorState error={this.state.error} retry={() => this.setState({ error: undefined })} />
  }
}
