"""What can be measured about whether heatmaps are true."""
