package carrier

func (w *Walk) tnef(f file) error { w.strings(f); return errUnsupported }

func (w *Walk) ole(f file) error { w.strings(f); return errUnsupported }
