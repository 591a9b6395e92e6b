import { CodeBlock } from './CodeBlock.tsx'
import { numbered } from './numbered.ts'
import { partsOf } from './report-text.ts'

/** A report's long text: its headings set apart, its code to be copied. All of it is text nodes. */
export function ReportText({ text }: { text: string }) {
  return (
    <div className="report">
      {numbered(partsOf(text)).map(({ id, value: part }) => {
        if (part.type === 'heading') return <h4 key={id}>{part.text}</h4>
        if (part.type === 'code') return <CodeBlock key={id} text={part.text} />
        return (
          <p className="block-text" key={id}>
            {part.text}
          </p>
        )
      })}
    </div>
  )
}
