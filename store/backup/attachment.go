package backup

// AttachmentHead writes that an attachment follows with its content, for who writes the chunks as
// they were read.
func (w *Writer) AttachmentHead(a Attachment) error {
	a.Content = true
	return w.Item(KindAttachment, a.appendTo(nil))
}
