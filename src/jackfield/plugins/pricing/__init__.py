"""What tokens cost, for other plugins and whoever asks."""
