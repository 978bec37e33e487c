"""Where a bundle's time goes on this machine: by part, by layer and by operator."""
