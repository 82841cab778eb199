import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import * as api from '../api'
import { size } from '../format'
import { useLoad } from '../load'
import { Notice, Trouble } from './notice'
import { Waiting } from './progress'

// Of a text, so many bytes are shown.
const most = 200_000

/** How a browser can show what has this type. */
export function kindOf(type: string): 'picture' | 'audio' | 'video' | 'pdf' | 'text' | 'other' {
  const t = type.split(';')[0]!.trim().toLowerCase()
  if (t.startsWith('image/')) return 'picture'
  if (t.startsWith('audio/')) return 'audio'
  if (t.startsWith('video/')) return 'video'
  if (t === 'application/pdf') return 'pdf'
  return t.startsWith('text/') || /json|xml|javascript|yaml|csv/.test(t) ? 'text' : 'other'
}

interface PreviewProps {
  name: string
  type: string
  /** bytes */
  length: number
  path: string[]
  rev: string | undefined
}

/** Shows an attachment, if browsers can. */
export function Preview({ name, type, length, path, rev }: PreviewProps): JSX.Element {
  const address = api.url(path, { rev })
  switch (kindOf(type)) {
    case 'picture':
      return <Picture address={address} name={name} />
    case 'audio':
      return <audio class="preview" controls src={address} aria-label={name} />
    case 'video':
      return <video class="preview" controls src={address} aria-label={name} />
    case 'pdf':
      return <PDF path={path} rev={rev} name={name} />
    case 'text':
      return <Text path={path} rev={rev} length={length} />
    case 'other':
      return <Notice>This page cannot show {type || 'files without a type'}. Download it instead.</Notice>
  }
}

function Picture({ address, name }: { address: string; name: string }): JSX.Element {
  const [broken, set] = useState(false)
  if (broken) return <Notice kind="warning">This is no picture that a browser understands.</Notice>
  return <img class="preview" src={address} alt={name} onError={() => set(true)} />
}

function Text({ path, rev, length }: { path: string[]; rev: string | undefined; length: number }): JSX.Element {
  const text = useLoad(async (signal) => (await api.read(path, { query: { rev }, headers: { Accept: '*/*', ...(length > most ? { Range: `bytes=0-${most - 1}` } : {}) }, signal })).text(), [path.join('/'), rev])
  return (
    <>
      <Trouble error={text.error} />
      {text.value === undefined ? text.loading && <Waiting /> : <pre class="preview" dir="auto" tabIndex={0} aria-label="The text">{text.value}</pre>}
      {length > most && <p class="faint">These are the first {size(most)} of {size(length)}.</p>}
    </>
  )
}

// The server keeps attachments in a sandbox, in which browsers show no PDF; a copy that this page
// has made of it is shown.
function PDF({ path, rev, name }: { path: string[]; rev: string | undefined; name: string }): JSX.Element {
  const [address, set] = useState<string>()
  const blob = useLoad(async (signal) => (await api.read(path, { query: { rev }, headers: { Accept: '*/*' }, signal })).blob(), [path.join('/'), rev])
  useEffect(() => {
    if (!blob.value) return
    const url = URL.createObjectURL(new Blob([blob.value], { type: 'application/pdf' }))
    set(url)
    return () => URL.revokeObjectURL(url)
  }, [blob.value])
  return (
    <>
      <Trouble error={blob.error} />
      {address ? <iframe class="preview pdf" src={address} title={name} /> : blob.loading && <Waiting />}
    </>
  )
}
