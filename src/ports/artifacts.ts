export interface ArtifactSource {
  /** URL with `{version}` in it. */
  url: string
  checksum:
    | { by: 'url'; url: string; algorithm: 'sha256' | 'md5' }
    /** A file (a path on the bot's machine, or an URL) in the format of sha256sum: one `<hex>  <name>` a line; the artifact's file name is looked up. */
    | { by: 'file'; path: string; algorithm: 'sha256' | 'md5' }
  delivery: 'host' | 'upload'
}

export interface FoundArtifact {
  url: string
  algorithm: 'sha256' | 'md5'
  /** Lower-case hexadecimal. */
  digest: string
  delivery: 'host' | 'upload'
  /** Undefined when the server does not say. */
  sizeBytes?: number
}

/**
 * Where release packages lie. Faults: `artifact.missing`, `artifact.checksum-unknown`, `artifact.checksum-malformed`,
 * `artifact.unreachable` (retry).
 */
export interface Artifacts {
  find(source: ArtifactSource, version: string): Promise<FoundArtifact>
}
