"""From file to file: pictures, clips, and folders of both."""
