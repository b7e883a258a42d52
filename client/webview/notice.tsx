import type { ComponentChildren } from 'preact';
import { useContext } from 'preact/hooks';
import type { PanelCommand } from '../shared/panel.js';
import { t } from './strings.js';
import { TransportContext } from './transport.js';
import type { Problem } from './use-question.js';

interface NoticeProps {
  readonly kind: 'empty' | 'failed';
  readonly title: string;
  readonly message: string;
  readonly icon?: string;
  readonly children?: ComponentChildren;
}

/** What stands in place of a picture: why there is none, and what to do. */
export function Notice({ kind, title, message, icon, children }: NoticeProps) {
  return (
    <div class="notice" role={kind === 'empty' ? 'status' : 'alert'} data-state={kind}>
      <span class={`codicon codicon-${icon ?? (kind === 'empty' ? 'eye-closed' : 'error')}`} aria-hidden="true" />
      <h1>{title}</h1>
      <p>{message}</p>
      <div class="actions">{children}</div>
    </div>
  );
}

export const Loading = () => (
  <div class="notice" role="status" data-state="loading">
    <div class="progress" />
    <p>{t('loading')}</p>
  </div>
);

export const Empty = ({ message }: { readonly message?: string }) => (
  <Notice kind="empty" title={t('emptyTitle')} message={message || t('emptyText')}>
    <Action command="showAttention" label={t('showAttention')} />
  </Notice>
);

/** A view that waits for the user, not for the server. */
export const Hint = ({ message, children }: { readonly message: string; readonly children?: ComponentChildren }) => (
  <div class="notice" role="status" data-state="hint">
    <span class="codicon codicon-target" aria-hidden="true" />
    <p>{message}</p>
    {children}
  </div>
);

interface FailureProps {
  readonly message: string;
  readonly onRetry?: () => void;
  /** What the user can choose so that it does not fail again. */
  readonly remedy?: { readonly command: PanelCommand; readonly label: string };
}

export const Failure = ({ message, onRetry, remedy }: FailureProps) => (
  <Notice kind="failed" title={t('failedTitle')} message={message}>
    {remedy && <Action {...remedy} />}
    {onRetry && (
      <button type="button" onClick={onRetry}>
        {t('retry')}
      </button>
    )}
    <Action command="showLogs" label={t('showLogs')} isSecondary />
    <Action command="restartServer" label={t('restartServer')} isSecondary />
  </Notice>
);

/** Why a view has no picture: what the user can do about it, or else that it failed. */
export const NoPicture = ({ problem }: { readonly problem: Problem }) =>
  problem.status === 'empty' ? <Hint message={problem.message} /> : <Failure message={problem.message} />;

interface ActionProps {
  readonly command: PanelCommand;
  readonly label: string;
  readonly isSecondary?: boolean;
}

function Action({ command, label, isSecondary }: ActionProps) {
  const transport = useContext(TransportContext);
  return (
    <button
      type="button"
      class={isSecondary ? 'secondary' : ''}
      onClick={() => transport?.send({ type: 'command', command })}
    >
      {label}
    </button>
  );
}
