import { render } from 'preact'
import { Page } from './frame'
import './theme'

render(<Page />, document.getElementById('page')!)
