import { Component } from "react";
import type { ReactNode } from "react";

interface Props {
  readonly onError: (error: Error) => void;
  readonly children: ReactNode;
}

/** Catches what a view throws, so that the terminal is given back and the engine ended in order before it is printed. */
export class ErrorBoundary extends Component<Props, { readonly failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override componentDidCatch(error: unknown): void {
    this.props.onError(error instanceof Error ? error : new Error(String(error)));
  }

  override render(): ReactNode {
    return this.state.failed ? null : this.props.children;
  }
}
