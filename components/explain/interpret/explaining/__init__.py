"""What explanations of models share: how a model is asked, how columns become numbers, figures and the page."""
