"""Speed, memory and overhead, measured on this machine: `restore bench`."""
