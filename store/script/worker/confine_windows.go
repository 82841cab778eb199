package worker

// confine has nothing to do: the server has put the process into a job (start_windows.go).
func confine(int64) {}
