"""What every request passes, whatever it asks: limits, headers, uploads and problem documents."""
