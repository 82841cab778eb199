import { render } from 'preact'
import { loadSoon, Page } from './frame'
import './theme'

// The screen's code comes while the server is asked who is here.
loadSoon()
const box = document.getElementById('page')!
box.replaceChildren() // what index.html shows until now
render(<Page />, box)
