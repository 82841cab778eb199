//go:build race

package worker

// raceDetector tells that the race detector is part of the program.
const raceDetector = true
