package disk

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// Of asks the system about the disk that a folder is on.
func Of(folder string) (Space, error) {
	path, err := windows.UTF16PtrFromString(folder)
	if err != nil {
		return Space{}, err
	}
	var mine, total, free uint64
	if err := windows.GetDiskFreeSpaceEx(path, &mine, &total, &free); err != nil {
		return Space{}, fmt.Errorf("ask how full the disk of %s is: %w", folder, err)
	}
	return Space{Used: total - free, Free: mine}, nil
}
